"""SQL text in, costed physical plan out: parser, binder, optimizer and EXPLAIN of Bedrock."""
