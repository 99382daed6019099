"""The arguments of `pilot/update_job` and of each entry of `pilot/update_jobs_bulk`, with their declared types."""

from harvester.panda.devserver.parameters import Parameter, Parameters

_TEXTS = (
    "job_sub_status",
    "site_name",
    "pilot_error_diag",
    "exe_error_diag",
    "node",
    "cpu_consumption_unit",
    "scheduler_id",
    "pilot_id",
    "batch_id",
    "pilot_timing",
    "start_time",
    "end_time",
    "job_metrics",
    "corrupted_files",
    "cpu_architecture_level",
    "grid",
    "source_site",
    "destination_site",
)
_TEXTS_NEVER_NULL = ("meta_data", "job_output_report", "stdout", "pilot_log")
_INTEGERS = (
    "attempt_nr",
    "core_count",
    "trans_exit_code",
    "pilot_error_code",
    "exe_error_code",
    "cpu_consumption_time",
    "n_events",
    "n_input_files",
    "mean_core_count",
)
_MEMORY = [f"{kind}_{what}" for kind in ("max", "avg") for what in ("rss", "vmem", "swap", "pss")]
_TRAFFIC = [f"{kind}_{what}" for kind in ("tot", "rate") for what in ("rchar", "wchar", "rbytes", "wbytes")]

JOB_UPDATE = Parameters(
    [
        Parameter("job_id", (int,), required=True),
        Parameter("job_status", (str,), required=True),
        *(Parameter(name, (str, type(None))) for name in _TEXTS),
        *(Parameter(name, (str,), default="") for name in _TEXTS_NEVER_NULL),
        *(Parameter(name, (int, type(None))) for name in _INTEGERS),
        Parameter("timeout", (int,), default=60),
        *(Parameter(name, (int, float, type(None))) for name in ("cpu_conversion_factor", *_MEMORY, *_TRAFFIC)),
    ]
)
