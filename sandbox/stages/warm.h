/* Reading code from the host's side before a room does. A control group that first touched a page of the page cache is charged
 * for it and lives on after its removal. */
#pragma once

/* Brings the tree into the page cache: a small one at once, the rest of a large one by a process of its own, which the caller
 * reaps as it reaps any child. Best effort. */
void warm_tree(int dirfd);
