"""Addresses: read them, bring them to one form, find their place, and say where a point is.

``text`` cleans what a person typed, ``names`` knows provinces down to communities, ``parse`` takes
an address apart; ``index`` holds known places, ``find`` goes from text to place and ``reverse``
back; ``table`` reads lists of standard addresses. All of it is pure; ``twin.addresses`` keeps them.
"""
