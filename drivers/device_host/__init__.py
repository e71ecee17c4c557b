"""The device host: runs an instrument's driver on the instrument's own computer, for a session elsewhere.

It is to be copied: Python 3.7 with pyzmq and numpy is enough, and it imports nothing else of this project.
``alloyscope device-host --copy device_host.pyz`` makes one file of it. There

    python device_host.pyz --listen tcp://0.0.0.0:5560 --key session.key my_chip.py:MyChip --options '{"port": "COM3"}'

and here ``backend = "remote"`` in the session file. A driver is a class with the methods of `drivers.interfaces`, plain
or asynchronous; `docs/device_host.md` says what it may return. It is made safe by this program itself when the session
falls silent, when the program is told to end, and when it fails.
"""
