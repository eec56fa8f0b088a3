# SPDX-License-Identifier: MIT
"""The peer of bench/train: TRL's GRPOTrainer with loss_type="cispo" on the model that train.c saved.

One line of stdin, one batch: GROUPS prompts, SIZE samples each, UPDATES updates; "SECONDS TOKENS" on
stdout. Everything that only costs time is off: checkpointing of activations, half precision that
CPUs emulate, reports, saving.
"""
import os
import sys
import time

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

GROUPS, SIZE, PROMPT, TOKENS, UPDATES, BATCHES = 4, 16, 250, 24, 4, 64
torch.set_num_threads(2)

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print is no answer


def words(vocab):
    tokenizer = Tokenizer(models.WordLevel({f"t{i}": i for i in range(vocab)}, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    last = f"t{vocab - 1}"
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=last, pad_token=last)


def prompt(b, vocab):
    return " ".join(f"t{(b * 7919 + i * 104729 + 17) % vocab}" for i in range(PROMPT))


class Turns(TrainerCallback):
    """Waits for its turn before a batch's first update, and answers after its last."""

    tokens = 0

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step % UPDATES == 0:
            if not sys.stdin.readline():
                sys.exit(0)
            self.start = time.perf_counter()
            self.tokens = 0

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step % UPDATES == 0:
            print(time.perf_counter() - self.start, self.tokens, file=answers, flush=True)


def main():
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    vocab = model.config.vocab_size
    turns = Turns()

    def parity(completion_ids, **kwargs):
        turns.tokens += sum(map(len, completion_ids))
        return [float(sum(ids) % 2) for ids in completion_ids]

    config = GRPOConfig(
        output_dir=os.path.join(sys.argv[1], "trl"), loss_type="cispo", epsilon_high=5.0, beta=0.0,
        num_generations=SIZE, per_device_train_batch_size=GROUPS * SIZE // UPDATES,
        gradient_accumulation_steps=1, steps_per_generation=UPDATES, num_iterations=1,
        max_steps=BATCHES * UPDATES, max_completion_length=TOKENS, temperature=1.0,
        generation_kwargs={"min_new_tokens": TOKENS}, learning_rate=1e-4, max_grad_norm=1.0,
        adam_beta1=0.9, adam_beta2=0.95, adam_epsilon=1e-15, lr_scheduler_type="constant",
        gradient_checkpointing=False, bf16=False, use_cpu=True, report_to="none",
        logging_strategy="no", save_strategy="no", disable_tqdm=True, shuffle_dataset=False)
    data = Dataset.from_dict({"prompt": [prompt(b, vocab) for b in range(BATCHES * GROUPS)]})
    GRPOTrainer(model=model, reward_funcs=parity, args=config, train_dataset=data,
                processing_class=words(vocab), callbacks=[turns]).train()


main()
