"""`make demo`: the whole road once, through the public API, with nothing but what was just installed."""
