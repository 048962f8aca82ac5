"""The leaderboard: from result files to standings to the static site.

`statistics` and `references` say how numbers are compared, `selection` which result files are
shown, `standings` and `tracks` which place a method has, `figures` and `drawing` draw, `site`
writes the pages and `placement` puts them where an older site may be. It reads result files and
nothing else: no task, no method and no training code is imported, so that a site can be built from
results of methods that are not here.
"""
