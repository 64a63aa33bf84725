from libc.stdint cimport uint64_t

cdef enum:
    STEPS = 26                     # bits of each coordinate

cdef double POLE                   # degrees of latitude


cdef struct Place:                 # degrees
    double longitude
    double latitude

cdef struct Area:                  # degrees
    double west, east, south, north

cdef struct Shape:                 # a circle, or a box when `width` is not negative; metres
    Place centre
    double radius
    double width, height

cdef struct ScoreRange:            # low <= score < high
    double low, high

cdef uint64_t encode(double longitude, double latitude, double pole, int step) noexcept
cdef Area decode(uint64_t cell, int step) noexcept
cdef Place place_of(double score) noexcept
cdef double distance(Place a, Place b) noexcept
cdef bint within(Shape* shape, Place place, double* metres) noexcept
cdef int cells_of(Shape* shape, ScoreRange* found) noexcept
