"""Pure LDAP: names, filters, schema, matching, codecs and the session; bytes and values in and out."""
