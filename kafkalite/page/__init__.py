"""The page of a broker: groups and how far they are behind, topics, and what is in them.

    server.py   the listener, who may ask, and the routes
    views.py    what a page shows, as plain data: also its JSON
    browse.py   records of a partition, found by offset, time or key, and decoded
    templates/  on the base of the console's
"""
