"""The command line, for tests that start it as a process of its own."""

from streams.cli.main import main

if __name__ == "__main__":
    main()
