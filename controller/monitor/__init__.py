"""The terminal screen. It watches a session through its sockets and owns nothing."""
