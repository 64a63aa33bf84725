import asyncio

from bedrock.app.shell import Candidate, Grammar

WORDS = {"keep": " text", "slow": " seconds", "die": ""}


class EchoGrammar(Grammar):
    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        return "echo at your service"

    async def close(self):
        self.writer.close()

    def complete(self, text):
        return [Candidate(w, hint, len(text)) for w, hint in WORDS.items() if w.startswith(text)]

    def hint(self, text):
        return WORDS.get(text, "")

    async def execute(self, line):
        self.writer.write(line.encode() + b"\n")
        return (await self.reader.readline()).decode().rstrip("\n")
