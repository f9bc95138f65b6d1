"""The store: schema, codec, writer, reader and the inbox of commands."""
