from bedrock.net.buf cimport Buf
from kvstore.binding cimport Command
from kvstore.engine cimport Client, Store
from kvstore.resp cimport Args


# Run a request of a client that is not in the plain state, or answer why not.
cdef int admit(Store s, Client c, Command command, Args a, Buf out) except -1
# The same while clients track keys.
cdef int run_tracked(Store s, Client c, Command command, Args a, Buf out) except -1
# May it run while a script takes long; must it wait until the pause ends.
cdef bint runs_while_busy(Store s, Command command, Args a) except -1
cdef bint postpones(Store s, Client c, Command command, Args a) except -1
# NOPERM for what the client's user may not do.
cdef int check_access(Store s, Client c, Command command, Args a) except -1
# End the connection of who sends requests of HTTP.
cdef int cut_off_browser(Store s, Client c, Buf out) except -1
# The error for a name that is in no table.
cdef object unknown_command(Args a)
