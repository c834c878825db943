"""The edge: Twisted sockets, worker processes, threads. Decides nothing."""
