"""papermill's engine ``sovlab``: the notebook runs as one job on a target, and comes back as it happens.

``papermill in.ipynb out.ipynb --engine sovlab``. What papermill writes into the notebook is what its own
engine has it write; what that cannot say, like which cells a killed kernel never ran, is in
``metadata.sovlab``. Nothing is printed on standard output.

papermill imports this module whenever it is imported itself, in the midst of that: all else waits until it
runs.
"""

from __future__ import annotations

from typing import Any

from papermill.engines import Engine


class SovlabEngine(Engine):  # type: ignore[misc]  # papermill is untyped
    """Runs a notebook as a job."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: float = 60,
        execution_timeout: float | None = None,
        **keywords: Any,
    ) -> None:
        """Run the notebook that ``nb_man`` holds, as papermill asks its engines to.

        Keywords of `papermill.execute_notebook` that are options of a submit (``target``, ``backend``,
        ``gpus``, ``memory``, ``env``, …) are that; ``fresh=True`` runs it anew though the same run is there,
        and ``cancel_on_interrupt=True`` ends the job with its client. From papermill's command line these are
        the variables ``SOVLAB_FRESH=1`` and ``SOVLAB_CANCEL_ON_INTERRUPT=1``, and the settings.

        Raises:
            nbclient.exceptions.DeadKernelError: the kernel, or the whole job, was killed.
            nbclient.exceptions.CellTimeoutError: a cell took longer than ``execution_timeout`` seconds.
            jupyter_client.kernelspec.NoSuchKernel: there is none of that name where the job runs.
            SovlabError: the target did not run it.
        """
        from sovlab.batch import running
        from sovlab.batch.shown.repeating import Wanted

        running.run(
            nb_man,
            kernel_name,
            Wanted(log_output, stdout_file, stderr_file, bool(keywords.get("last_drawn"))),
            {"start_timeout": start_timeout, "execution_timeout": execution_timeout},
            keywords,
        )
