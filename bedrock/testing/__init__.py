"""What tests stand on, ours and the users'.

    run             a server in this process in a millisecond: `bedrock.run("kvstore")`
    pytest_plugin   fixtures NAME, NAME_server, NAME_url for every component; peers
    golden          scripts of input and expected output
    linearizable    is a history of concurrent operations linearizable?
    peers           the real Redis, PostgreSQL, Prometheus, ngIRCd on a free port
"""
