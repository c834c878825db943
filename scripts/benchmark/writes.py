SHAPES = ("modify",)


def run(*a):
    raise SystemExit(1)
