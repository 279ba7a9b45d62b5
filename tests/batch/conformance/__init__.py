"""The engine is papermill's own but for where the cells run: each of these runs both, and compares.

Names of tests begin with the numbers of what they show. Equal is what both wrote, byte for byte, without what
`engines.comparable` takes out: ids that were made when the notebook was loaded, times, ids of widgets, names
of ipykernel's files in tracebacks, and where a kernel cut a text. What papermill's keys cannot say is looked
at in ``metadata.sovlab``.

==========  ========================================================  =====================================
01 – 05     parameters: types, numbers, NaN, which flag counts, YAML  ``test_parameters``
06          where they are put in; in place when run again            ``test_parameters``, ``test_preparing``
07 – 10     unknown ones, paths, fields in paths, prepare-only        ``test_parameters``
11          report mode                                               ``test_parameters``, ``test_outcomes``
12 – 17     cwd, kernel, language, format 3, ids, stale outputs       ``test_preparing``
18 – 23     success, error, allowed errors, exits, magics             ``test_outcomes``
24 – 29     killed, too slow, no start, no kernel, SIGINT, SIGTERM    ``test_stops``
30          ``input()``                                               ``test_outcomes``
31, 32      an output that cannot be written; ``-``                   ``test_places``
33          the bar                                                   ``test_outcomes``
34 – 36     log, files of streams, autosave                           ``test_shown``
37, 38      late output, widgets, displays                            ``test_outputs``
39, 40      ``--help-notebook``, calls in a loop and in threads       ``test_places``
==========  ========================================================  =====================================

Not equal, on purpose: 28 and 29 end with 130 and 143, and the job goes on; 31 is told before anything runs
where papermill's own finds out at the end; a kernel that is not there gives way to the only one of its
language, as ``test_engine`` shows. `test_on_cluster` has what pods could do otherwise.
"""
