/* Who of this process's threads has a processor first, as the kernel's fair scheduler lets anybody choose for themselves: no privilege is
 * needed, and a kernel that does not know it leaves everything as it was.
 *
 *     priority_prompt();       // the loop's thread, before anything else
 *     priority_background();   // a thread that computes for long
 *
 * Each is about the calling thread alone. */
#pragma once

/* Woken up, it comes before whoever runs and did not ask for as short a slice: it never needs the processor for long. */
void priority_prompt(void);
/* Everybody else who wakes up comes first, and on a full machine has nine times as much. */
void priority_background(void);

/* Processors that this process may use: at least 1. */
unsigned processors_usable(void);
