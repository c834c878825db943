"""What Postfix asks and is answered, as bytes and as values. Pure: the domain's rules and the standard library."""
