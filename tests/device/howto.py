# tests/device/howto.py - takes the C files out of a how-to page: howto.py PAGE FOLDER PATH=OUTPUT...
import os
import re
import sys

page, folder = sys.argv[1:3]
outputs = dict(pair.split("=") for pair in sys.argv[3:])
with open(page) as file:
    blocks = re.findall(r"```c\n(.*?)```", file.read(), re.S)
for block in blocks:
    name = re.match(r"/\* (\S+) - ", block)
    if name:
        path = os.path.join(folder, outputs.pop(name[1]))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(block)
if outputs:
    sys.exit(f"{page} lacks {', '.join(outputs)}")
