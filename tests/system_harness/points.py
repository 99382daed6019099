"""The named points of a submission at which Harvester can be made to die."""

SUBMISSION = [
    "sizer.before_commit",
    "sizer.after_commit",
    "submitter.before_feed",
    "submitter.before_submit",
    "submitter.after_submit",
    "submitter.before_commit",
    "submitter.after_commit",
]
