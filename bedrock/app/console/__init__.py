"""The web console: what runs, how busy it is, and how to reach it.

    config.py   its options; it is started, stopped and restarted like any server
    server.py   uvicorn on our loop
    app.py      routes; every page is also JSON at its address with `.json`
    guard.py    who may ask: Host, Origin, password; and what a page may do (CSP)
    watch.py    asks every system for its numbers once a second
    shown.py    numbers as people read them
"""
