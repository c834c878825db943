"""One file per LDAP operation: a request and narrow capabilities in, encoded answers out."""
