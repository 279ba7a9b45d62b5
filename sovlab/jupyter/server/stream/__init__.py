"""What a page is told as it happens: one watch for each target, one reader for each job that is followed.

The rule of this room: a page is never sent to, it takes. A watch and a reader keep a bounded state; each
page has a place in it, and is told the newest from there on when its socket has taken the last message. So a
page that is slow, or has gone, costs the server nothing but its place.
"""
