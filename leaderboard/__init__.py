"""The leaderboard: from result files to rankings to the static site.

`statistics` and `references` define how numbers are compared, `selection` which result files are
shown, `standings` and `tracks` the rank of each method; `figures` and `drawing` draw, `site`
writes the pages, and `placement` puts them where an older site may be. It reads only result files:
it imports no task, no method and no training code, so that a site can be built from results of
methods that are not installed.
"""
