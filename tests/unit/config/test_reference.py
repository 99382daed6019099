"""The page about the configuration."""

from pathlib import Path

from harvester.config.queue_model import QueueConfig
from harvester.config.reference import up_to_date
from harvester.config.service import section_models

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert up_to_date(text) == text, "run: python -m harvester.config.reference docs/configuration.md"


def test_every_key_says_what_it_means() -> None:
    fields = {
        f"{name}.{key}": field for name, model in section_models().items() for key, field in model.by_key().items()
    }
    fields.update({f"queue.{key}": field for key, field in QueueConfig.by_key().items()})
    assert [key for key, field in fields.items() if not field.description] == []
