"""The verbs that write: each one transaction on the store, then a refresh of the index."""
