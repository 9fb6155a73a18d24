# tests/functional/test_cpu.py - what -cpu's switches do to each other, read from the isa string of the device tree.
import os
import subprocess

import pytest

import fdt
from conftest import PATIENCE, ROOT

MYNAH = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))

# -cpu, extensions that must be in the isa string, extensions that must not
CASES = [
    ("rv64", "c zca zcd zba zmmul svvptc", "b v zkn"),
    ("rv64,c=off", "zba", "c zca zcd"),
    ("rv64,c=off,zca=on", "zca", "c zcd"),
    ("rv64,m=off", "a", "m zmmul"),
    ("rv64,f=off", "a", "f d zfa zcd"),
    ("rv64,b=on", "b zba zbb zbs", "zbkb"),
    ("rv64,zba=off", "zbb", "b zba"),
    ("max", "b v zba zbb zbs zkn zks zvkn zvkng zvksc zacas zabha zalasr zimop zcmop ztso zvkt svrsw60t59b", "zk zkr zama16b"),
    ("max,zbb=off", "zba zbs", "b zbb"),
    ("max,b=off", "zba zbb zbs", "b"),
    ("max,v=off", "zvbb zvkned zvks", "v zve64d zve64x zvbc zvkn zvknc zvkng zvknhb zvksc"),
    ("max,zvbc=off", "zvkn zvkng zvks", "zvbc zvknc zvksc"),
    ("rv64,zkn=on", "zkn zbkb zbkc zbkx zkne zknd zknh", "zks"),
    ("rv64,v=on,zvknc=on", "zvknc zvkn zvkned zvknhb zvkb zvkt zvbc", "zvkng zvkg"),
    ("rv64,i=on,g=on", "i m a f d zicsr zifencei", ""),
    ("rv64,rva22u64=on", "b zfhmin zkt zicbom", "svade svpbmt"),
    ("rv64,rva22s64=on", "b zfhmin zkt svade svinval svpbmt", "svnapot"),
    ("rva22s64", "i m a f d c b zba zbb zbs zfhmin zkt svade svinval svpbmt zicsr zifencei zca zcd zmmul", "svadu svnapot sstc zfa v zawrs"),
    ("rva22u64", "b zfhmin zkt zicbom", "svade svadu svpbmt zifencei sstc"),
    ("rva22s64,v=on,zba=off", "v zve64d zbb", "b zba"),
    ("max,priv_spec=v1.12.0", "b v zacas zalasr", "svvptc svrsw60t59b zabha zimop zcmop"),
    ("max,priv_spec=v1.13.0", "svvptc svrsw60t59b zabha zimop zcmop", ""),
]


def isa_of(cpu, folder):
    """The isa string, and how wide virtual addresses are."""
    path = folder / "tree.dtb"
    subprocess.run([MYNAH, "-M", f"virt,dumpdtb={path}", "-cpu", cpu, "-display", "none"], check=True, timeout=60)
    hart = {name: value.rstrip(b"\0").decode() for where, name, value in fdt.properties(path.read_bytes())
            if where.endswith("cpu@0") and name in ("riscv,isa", "mmu-type")}
    return hart["riscv,isa"], hart["mmu-type"].removeprefix("riscv,sv")


def extensions(isa):
    letters, *names = isa[len("rv64"):].split("_")
    return set(letters) | set(names)


@pytest.mark.parametrize("cpu,there,absent", CASES, ids=[c[0] for c in CASES])
def test_switches(cpu, there, absent, tmp_path):
    found = extensions(isa_of(cpu, tmp_path)[0])
    assert set(there.split()) <= found
    assert not set(absent.split()) & found


def test_profile_narrows_addresses(tmp_path):
    assert isa_of("rv64", tmp_path)[1] == "57"
    assert isa_of("rv64,rva22s64=on", tmp_path)[1] == "39"
    assert isa_of("rv64,rva22s64=on,sv48=on", tmp_path)[1] == "48"
    assert isa_of("rva22s64", tmp_path)[1] == "39"
    assert isa_of("rva22u64", tmp_path)[1] == "riscv,none"


def test_short_isa_string(tmp_path):
    assert isa_of("max,short-isa-string=on", tmp_path)[0] == "rv64imafdcbv"


@pytest.mark.parametrize("cpu,words", [("rv64,zvkn=on", "extension 'zvkn' includes 'zvkb', which needs 'zve32x'"),
                                       ("rv64,zvkb=on", "extension 'zvkb' needs 'zve32x', which is off"),
                                       ("max,priv_spec=v1.11.0", "priv_spec 'v1.11.0' is not there; v1.12.0 and v1.13.0 are"),
                                       ("rv64,priv_spec=v1.12.0,zimop=on", "extension 'zimop' is newer than priv_spec=v1.12.0"),
                                       ("rv64,sv48=off,sv57=on", "sv48=off does not go with sv57=on, which includes it"),
                                       ("rv64,sv57=on,sv39=off", "sv39=off does not go with sv57=on"),
                                       ("rv64,sv48=on,svbare=off", "svbare=off does not go with sv48=on"),
                                       ("rv64,svbare=off", "svbare=off: untranslated addresses are always there"),
                                       ("rv64,vlen=100", "vlen 100 is not a power of 2 from 32 to"),
                                       ("rv64,elen=33", "elen 33 is not 32 or 64"),
                                       ("rv64,vext_spec=foo", "vext_spec 'foo' is not there; v1.0 is"),
                                       ("rv64,resetvec=1", "resetvec 0x1 is odd"),
                                       ("rv64,pmp-granularity=12", "pmp-granularity 12 is not a power of 2"),
                                       ("", "unknown CPU model ''"), ("rv64,rva22u64=maybe", "takes on or off"), ("rv64,rva23u64=on", "not there yet")])
def test_refused(cpu, words):
    out = subprocess.run([MYNAH, "-M", "virt", "-cpu", cpu, "-display", "none"], capture_output=True, text=True, timeout=20 * PATIENCE, check=False)
    assert out.returncode == 1 and words in out.stderr and out.stderr.count("\n") <= 2


@pytest.mark.parametrize("props,there,absent", [
    ({}, "sv39 sv48 sv57 mmu zca", "v zve32x"),
    ({"sv48": False}, "sv39", "sv48 sv57"),
    ({"sv48": True}, "sv39 sv48", "sv57"),
    ({"sv39": False}, "svbare mmu", "sv39 sv48 sv57"),
    ({"mmu": False}, "", "mmu sv39 sv48 sv57"),
    ({"rva22s64": True}, "sv39 svpbmt", "sv48 sv57"),
    ({"f": False}, "", "f d zfa zcd"),
    ({"v": True}, "v zve32x zve64d", ""),
], ids=str)
def test_expansion_tells_what_a_machine_would_have(start, props, there, absent):
    qmp = start("-M", "none", qmp=True).qmp
    found = qmp.command("query-cpu-model-expansion", type="full", model={"name": "rv64", "props": props})["model"]["props"]
    assert all(found[name] for name in there.split()) and not any(found[name] for name in absent.split())
    with pytest.raises(RuntimeError, match="sv48=off does not go with sv57=on"):
        qmp.command("query-cpu-model-expansion", type="full", model={"name": "rv64", "props": {"sv48": False, "sv57": True}})
