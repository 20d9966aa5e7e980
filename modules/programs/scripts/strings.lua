-- Text: patterns, formats, buffers, packing, a small parser, files.
local size = tonumber(arg[1] or 100)

local words = {}
for word in ("the quick brown fox jumps over the lazy dog and runs away"):gmatch("%a+") do words[#words + 1] = word end
local lines = {}
for i = 1, size * 20 do lines[i] = words[i % #words + 1] .. " " .. words[i * 7 % #words + 1] .. " " .. i end
local text = table.concat(lines, "\n")
local counts = {}
for word in text:gmatch("%a+") do counts[word] = (counts[word] or 0) + 1 end
local names = {}
for name in pairs(counts) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do io.write(name, "=", counts[name], " ") end
print()
print(#text, #text:gsub("o", "00"), select(2, text:gsub("%d+", "")), text:find("fox jumps", 1, true))
print(("x"):rep(10, ","), ("abc"):reverse(), ("Hello"):upper(), ("%d"):format(3.0), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"))
print(("%5.2f|%-8s|%08d|%x|%q|%g|%e|%a|%c|%i|%s"):format(3.14159, "left", 42, 255, "a\nb\0c", 1e20, 12345.678, 1.5, 65, -7, true))
print(("%10.4s|%+d|% d|%#x|%o|%.0f|%5s|%-5d|"):format("abcdefgh", 5, 5, 255, 8, 0.5, "ab", 3))
print(string.pack("<i4 z s2 d", 1000, "zero", "counted", 0.5):byte(1, -1))
print(string.unpack(">I2 I3", "\1\2\3\4\5"), utf8.char(228, 8364, 128512), utf8.len("äöü"))
print(tonumber("0x1p4"), tonumber("1e1"), tonumber("  12  "), tonumber("z", 36), tonumber("12a"), tonumber("1e"), math.type(2^31 | 0))

local function parse(source)
  local at = 1
  local expression
  local function skip() at = source:find("%S", at) or #source + 1 end
  local function atom()
    skip()
    if source:sub(at, at) == "(" then
      at = at + 1
      local value = expression()
      skip()
      assert(source:sub(at, at) == ")", "missing )")
      at = at + 1
      return value
    end
    local digits = source:match("^%d+%.?%d*", at)
    at = at + #assert(digits, "number expected")
    return tonumber(digits)
  end
  local function term()
    local value = atom()
    while true do
      skip()
      local operator = source:sub(at, at)
      if operator ~= "*" and operator ~= "/" then return value end
      at = at + 1
      local right = atom()
      value = operator == "*" and value * right or value / right
    end
  end
  function expression()
    local value = term()
    while true do
      skip()
      local operator = source:sub(at, at)
      if operator ~= "+" and operator ~= "-" then return value end
      at = at + 1
      local right = term()
      value = operator == "+" and value + right or value - right
    end
  end
  return expression()
end
local sum = 0
for i = 1, size * 5 do sum = sum + parse("(1 + " .. i .. ") * 2.5 - 10 / (3 + " .. i .. ")") end
print(string.format("%.12g", sum), select(2, pcall(parse, "2 * (3 + ")):match("[%w ]+$"))

local function digest(s)
  local a, b = 1, 0
  for i = 1, #s do a = (a + s:byte(i)) % 65521 b = (b + a) % 65521 end
  return b << 16 | a
end
print(digest(text))

local name = os.tmpname and (arg[2] or "lua-strings.tmp")
local file = assert(io.open(name, "w"))
file:write(text, "\n", 3.25, " ", 17, "\n")
file:close()
local read, longest = 0, 0
for line in io.lines(name) do read = read + 1 longest = math.max(longest, #line) end
file = io.open(name, "r+")
file:seek("end", -8)
print(read, longest, file:read("n"), file:read("n"), file:read("n"), file:seek("set", 4), file:read(5), file:read("l"))
file:close()
print(os.remove(name), io.open(name), os.time({year = 2024, month = 2, day = 29, hour = 12}) ~= nil, os.date("!%Y-%m-%d %H:%M:%S", 86400 * 365))
print(load("return 1 +"))
