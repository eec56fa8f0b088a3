// SPDX-License-Identifier: MIT
#include "tests/sandbox/sessions.h"
int main(void){return 0;}
