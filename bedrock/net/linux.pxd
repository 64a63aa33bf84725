# The system's own calls and constants, as the reactor uses them.

from libc.stdint cimport uint32_t
from posix.types cimport off_t

cdef extern from "<sys/epoll.h>" nogil:
    enum:
        EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP
        EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_CLOEXEC
    ctypedef union epoll_data_t:
        void* ptr
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event)
    int epoll_wait(int epfd, epoll_event* events, int maxevents, int timeout)

cdef extern from "<sys/socket.h>" nogil:
    enum:
        MSG_NOSIGNAL, MSG_DONTWAIT, MSG_MORE, SHUT_WR
        SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET, SO_LINGER, AF_INET, AF_INET6
    ctypedef unsigned int socklen_t
    struct sockaddr:
        pass
    struct linger:
        int l_onoff
        int l_linger
    Py_ssize_t c_recv "recv"(int fd, void* into, size_t n, int flags)
    Py_ssize_t c_send "send"(int fd, const void* p, size_t n, int flags)
    int accept4(int fd, sockaddr* address, socklen_t* size, int flags)
    int shutdown(int fd, int how)
    int setsockopt(int fd, int level, int name, const void* value, socklen_t n)

cdef extern from "<netinet/in.h>" nogil:
    struct in6_addr:
        pass
    struct sockaddr_in6:           # the widest name a TCP socket has
        unsigned short sin6_family, sin6_port
        in6_addr sin6_addr
    struct sockaddr_in:
        unsigned int sin_addr
    unsigned short ntohs(unsigned short n)

cdef extern from "<arpa/inet.h>" nogil:
    enum:
        INET6_ADDRSTRLEN
    const char* inet_ntop(int family, const void* host, char* text, socklen_t n)

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        IPPROTO_TCP "6"
        TCP_NODELAY

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)

cdef extern from *:
    """
    #include <sys/sendfile.h>
    """
    Py_ssize_t sendfile(int out, int source, off_t* offset, size_t n) nogil

cdef extern from "<sched.h>" nogil:
    int sched_yield()
