"""The truth, in SQL (SQLAlchemy Core): entries, numbered changes, imports. SQL appears nowhere else."""
