"""`python -m harvester`: the command line."""

from harvester.cli.main import app

if __name__ == "__main__":
    app()
