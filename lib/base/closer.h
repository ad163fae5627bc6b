/* Closing on a thread of its own what may take long to close. The last reference to a socket that lingers, or to a large deleted
 * file, keeps whoever gives it up; and a unix socket that others may send to can hold such references, unread. Any thread.
 *
 *     closer_close(fd_steal(&channel->fd));
 */
#pragma once

/* Takes fd, or -1. In order; never waits itself. Descriptors not yet closed at the end of the process end with it. */
void closer_close(int fd);
