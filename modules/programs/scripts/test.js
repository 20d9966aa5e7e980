// Runs through the language: classes, closures, generators, regular expressions, JSON, big integers.
"use strict";
const size = Number(args[0] || 100);

class Shape { constructor(n) { this.n = n; } area() { return 0; } get name() { return this.constructor.name; } }
class Square extends Shape { area() { return this.n ** 2; } }
class Circle extends Shape { #r = 2; area() { return 3 * this.n * this.#r; } static of(n) { return new Circle(n); } }
let area = 0;
for (let i = 0; i < size * 20; i++) area += (i % 2 ? new Square(i) : Circle.of(i)).area();
print("classes", area, new Square(1).name);

function* fibonacci() { let [a, b] = [0n, 1n]; for (;;) { yield a; [a, b] = [b, a + b]; } }
let i = 0;
for (const n of fibonacci()) if (i++ === 300) { print("fibonacci", n, n % 1000007n, (n << 70n) >> 64n, -n / 12345n); break; }
let factorial = 1n;
for (let k = 1n; k <= 100n; k++) factorial *= k;
print("factorial", factorial.toString(36), BigInt.asUintN(64, factorial >> 90n));

const numbers = [];
let seed = 1;
for (let k = 0; k < size * 30; k++) { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; numbers.push(seed / 65536); }
numbers.sort((a, b) => a - b);
print("sorted", numbers[0], numbers[numbers.length >> 1], numbers.at(-1), numbers.reduce((a, b) => a + b, 0));
print("array", [3, 1, 2].toSorted(), [1, [2, [3, [4]]]].flat(Infinity), Array.from({length: 5}, (_, k) => k * k), [..."añ😀"].length);

const map = new Map(), set = new Set();
for (let k = 0; k < size * 30; k++) { const key = "k" + k % 97; map.set(key, (map.get(key) || 0) + k); set.add(k % 13); }
print("map", map.size, map.get("k5"), set.size, [...map.keys()].slice(0, 3));

const text = "2024-02-29T12:34:56 order=17; price=3.50; name=\"Ada L.\"; 2023-12-31";
print("regexp", text.match(/(?<y>\d{4})-(?<m>\d\d)-(?<d>\d\d)/).groups.m, text.replace(/(\w+)=([^;]+)/g, "$2:$1"), [...text.matchAll(/\d+/g)].length, /^(?:a+)+b$/.test("aaaaaaaaaaaaaaaab"), "äÖ".normalize("NFD").length, /\p{Lu}/u.exec("abÇd")[0], "x".padStart(3, "ab"));

const data = {name: "x\u0001\"y", list: [1, 2.5, -0, null, true, {deep: [[]]}], when: undefined};
const json = JSON.stringify(data, null, 1);
print("json", json.length, JSON.stringify(JSON.parse(json)), JSON.parse("[1e3, 0.1, 123456789012345680000]"));

const bytes = new Uint8Array(1024), view = new DataView(bytes.buffer);
for (let k = 0; k < 128; k++) view.setFloat64(k * 8, Math.sqrt(k), k % 2 === 0);
let hash = 2166136261;
for (const b of bytes) hash = Math.imul(hash ^ b, 16777619) >>> 0;
print("bytes", hash, new Float32Array([1.1, 1e40, NaN])[0], new Int16Array([70000])[0], view.getUint16(9));

print("numbers", 0.1 + 0.2, 1 / 3, 1e21, 123456789.123, -0, 2 ** -1074, 5e-324, (25).toString(2), (0.5).toString(3), (1234.5678).toFixed(2), (0.000001234).toExponential(3), (1e21).toPrecision(5), parseFloat("3.14abc"), parseInt("0x1f"), Number(""), 0xffffffff | 0, -7 % 3, 7.9 | 0, 1 << 31, -1 >>> 28);
print("math", Math.sqrt(2), Math.floor(-1.5), Math.round(2.5), Math.trunc(-0.9), Math.fround(1.1), Math.clz32(1000), Math.hypot(3, 4), Math.max(...[1, 5, 3]), Math.sign(-3));

let caught = 0;
for (let k = 0; k < size * 5; k++) {
  try { if (k % 3 === 0) throw new RangeError("r" + k); if (k % 5 === 0) null.x; caught++; }
  catch (e) { caught += e instanceof RangeError ? e.message.length : 100; }
  finally { caught ^= 1; }
}
print("errors", caught);
print("deep", (function depth(n) { return n === 0 ? 0 : 1 + depth(n - 1); })(30));
try { eval("let let = 1"); } catch (e) { print(e.name); }

const proxy = new Proxy({}, {get: (_, key) => key + "!", has: () => true});
print("proxy", proxy.hello, "anything" in proxy, Reflect.ownKeys({b: 1, a: 2, 1: 3}));
const {a = 1, ...others} = {b: 2, c: 3};
print("destructuring", a, JSON.stringify(others), ((x, y = x * 2, ...z) => x + y + z.length)(1, undefined, 5, 6), others?.d?.e ?? "none");
label: for (let x = 0; x < 5; x++) for (let y = 0; y < 5; y++) { if (y === 3) continue label; if (x === 3) break label; caught += x * y; }
print("labels", caught, typeof Symbol.iterator, [10, 9, 1].sort(), `${1 + 1}${"a".repeat(3)}`);

function queens(n) { let count = 0; (function place(row, columns, left, right) { if (row === n) { count++; return; } for (let free = ~(columns | left | right) & ((1 << n) - 1); free; free &= free - 1) { const bit = free & -free; place(row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1); } })(0, 0, 0, 0); return count; }
print("queens", queens(8));
const order = [];
(async () => { order.push(1); await null; order.push(3); await new Promise(done => done()); order.push(5); print("async", order); })();
order.push(2);
Promise.resolve().then(() => order.push(4));
