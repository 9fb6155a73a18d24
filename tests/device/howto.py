# tests/device/howto.py - takes the C files out of the how-to page: howto.py PAGE FOLDER
import os
import re
import sys

page, folder = sys.argv[1:3]
outputs = {"hw/misc/egg_timer.c": "howto_device.c", "tests/device/egg_timer.c": "howto_test.c",
           "hw/misc/egg_timer.dev": "howto/hw/misc/egg_timer.dev"}
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
