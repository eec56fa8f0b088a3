// SPDX-License-Identifier: MIT
// api.js - the service's routes, with the reader's token where one is wanted, and its events.

const kept = "assay-token"; // for this tab alone; sent as a header, so no other page can use it
export const token = { get: () => sessionStorage.getItem(kept), set: (word) => sessionStorage.setItem(kept, word) };

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  const word = token.get();
  const reply = await fetch(path, { ...options, headers: word ? { Authorization: `Bearer ${word}` } : {} });
  if (reply.ok) return reply;
  let message = `${reply.status}`;
  try {
    message = (await reply.json()).error.message;
  } catch {
    // not ours to explain
  }
  throw new Refused(reply.status, message);
}

export function query(route, parameters) {
  const words = Object.entries(parameters).filter(([, v]) => v !== undefined && v !== null);
  return words.length ? `${route}?${new URLSearchParams(words)}` : route;
}

export const get = async (route, parameters = {}, signal) => (await ask(query(route, parameters), { signal })).json();

// A part of a log: {text, offset, size, length}, in bytes. Without an offset: its end.
export async function log(route, parameters, signal) {
  const reply = await ask(query(route, parameters), { signal });
  const body = new Uint8Array(await reply.arrayBuffer());
  return {
    body,
    offset: Number(reply.headers.get("Assay-Log-Offset")),
    size: Number(reply.headers.get("Assay-Log-Size")),
  };
}

// Server-sent events, read by hand: EventSource can send no token. Calls tell(name, data) with each
// and state(words) when the connection comes and goes; never ends.
export async function watch(tell, state) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 15000)) {
    try {
      const reader = (await ask("/v1/events?store=1")).body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      state("live");
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) {
          const name = /^event: (.*)$/m.exec(part)?.[1];
          const data = /^data: (.*)$/m.exec(part)?.[1];
          if (name) tell(name, data ? JSON.parse(data) : {});
        }
        wait = 500;
      }
    } catch {
      // again, below
    }
    state("not connected");
    await new Promise((done) => setTimeout(done, wait));
  }
}
