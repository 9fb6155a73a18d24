// tests/guests/jits/program.js - work that makes V8 compile, throw away and compile again; each line is a name, milliseconds and a sum.
// The sums are the same with and without a JIT, and on every processor.
'use strict';
const turns = Number(process.argv[2] || 1);

function report(name, run) {
    const start = process.hrtime.bigint();
    const sum = run();
    console.log(name, Number((process.hrtime.bigint() - start) / 1000000n), sum);
}

report('primes', () => {
    const flags = new Uint8Array(2000000);
    let count = 0;
    for (let t = 0; t < turns; t++) {
        flags.fill(1);
        count = 0;
        for (let i = 2; i < flags.length; i++) {
            if (!flags[i])
                continue;
            count++;
            for (let j = i * 2; j < flags.length; j += i)
                flags[j] = 0;
        }
    }
    return count;
});

report('orbits', () => {
    const bodies = [];
    for (let i = 0; i < 5; i++)
        bodies.push({ x: i, y: i * 0.5, z: 1 - i, vx: 0, vy: 0.01 * i, vz: 0, mass: 1 / (1 + i) });
    for (let step = 0; step < 60000 * turns; step++) {
        for (const a of bodies)
            for (const b of bodies) {
                const dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z, d2 = dx * dx + dy * dy + dz * dz + 0.1, m = b.mass * 0.001 / (d2 * Math.sqrt(d2));
                a.vx -= dx * m;
                a.vy -= dy * m;
                a.vz -= dz * m;
            }
        for (const a of bodies) {
            a.x += a.vx * 0.001;
            a.y += a.vy * 0.001;
            a.z += a.vz * 0.001;
        }
    }
    return bodies.map(b => b.x.toFixed(9)).join(',');
});

report('words', () => {
    const counts = new Map();
    let seed = 1, text = '';
    for (let i = 0; i < 60000 * turns; i++) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        text += String.fromCharCode(97 + seed % 26) + (seed % 5 ? '' : ' ');
    }
    for (const word of text.split(/\s+/))
        counts.set(word, (counts.get(word) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 5).map(e => e.join(':')).join(',');
});

report('shapes', () => { // objects of many kinds at one place, and code that was wrong about them
    const kinds = [];
    for (let k = 0; k < 40; k++)
        kinds.push(new Function('n', `return { k${k}: n, value() { return this.k${k} * ${k + 1} + ${k}; } };`));
    let sum = 0;
    for (let i = 0; i < 400000 * turns; i++)
        sum = (sum + kinds[i >> 12 & 31 ? i % (1 + (i >> 14) % 40) : 0](i).value()) % 1000003;
    return sum;
});

report('fresh code', () => {
    let sum = 0;
    for (let i = 0; i < 1500 * turns; i++) {
        const f = new Function('x', `let s = ${i}; for (let j = 0; j < 300; j++) s = (s * 31 + x + j) % 65521; return s;`);
        for (let j = 0; j < 5; j++)
            sum = (sum + f(j)) % 1000003;
    }
    return sum;
});

report('big numbers', () => {
    let a = 1n, b = 1n;
    for (let i = 0; i < 6000 * turns; i++)
        [a, b] = [b, a + b];
    return (b % 1000000007n).toString();
});

report('wasm', () => { // (func (param i32) (result i32)): sum of i * i from 0 up, modulo 2^32
    if (typeof WebAssembly === 'undefined') // node --jitless
        return Number(BigInt(turns) * (BigInt.asUintN(32, 9999999n * 10000000n * 19999999n / 6n)) % 4294967296n);
    const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 10, 35, 1, 33, 1, 2, 0x7f,
        3, 0x40, 0x20, 2, 0x20, 1, 0x20, 1, 0x6c, 0x6a, 0x21, 2, 0x20, 1, 0x41, 1, 0x6a, 0x21, 1, 0x20, 1, 0x20, 0, 0x48, 0x0d, 0, 0x0b, 0x20, 2, 0x0b]);
    const f = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f;
    let sum = 0;
    for (let t = 0; t < turns; t++)
        sum += f(10000000) >>> 0;
    return sum >>> 0;
});
