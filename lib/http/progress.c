/* How far a reply has come: h2o counts what it was given, and the kernel what the client has acknowledged. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/http/server_impl.h"

uint64_t http_bytes_taken(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ? 0 : info.tcpi_bytes_acked;
}
