"""What the shell around every page needs."""


def shell(request):
    return {}
