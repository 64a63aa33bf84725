from bedrock.storage.errors import Finding


def check(disk):
    data = disk.read("kept")
    if data and not data.endswith(b"\n"):
        yield Finding("kept", data.rfind(b"\n") + 1, "torn line", harmless=True)
    if b"\0" in data:
        yield Finding("kept", data.index(b"\0"), "a zero byte")
