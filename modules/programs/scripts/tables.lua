-- Objects: binary trees, sorting, closures, metatables, coroutines, errors, the collector.
local size = tonumber(arg[1] or 100)

local function tree(depth)
  if depth == 0 then return {} end
  return {tree(depth - 1), tree(depth - 1)}
end
local function count(node) return node[1] and 1 + count(node[1]) + count(node[2]) or 1 end

local depth, nodes = 4, 0
while 2 ^ depth < size * 10 do depth = depth + 1 end
for _ = 1, 5 do nodes = nodes + count(tree(depth)) end
print("trees", depth, nodes)

local state = 42
local function random(n)
  state = (state * 1103515245 + 12345) & 0x7fffffff
  return state % n
end

local numbers = {}
for i = 1, size * 50 do numbers[i] = random(1000000) end
table.sort(numbers)
local ordered = true
for i = 2, #numbers do ordered = ordered and numbers[i - 1] <= numbers[i] end
table.sort(numbers, function(a, b) return a % 1000 < b % 1000 or (a % 1000 == b % 1000 and a < b) end)
print("sorted", ordered, numbers[1], numbers[#numbers // 2], numbers[#numbers])

local function permutations(n, visit)
  local p = {}
  for i = 1, n do p[i] = i end
  local function go(k)
    if k == 0 then return visit(p) end
    for i = 1, k do
      p[i], p[k] = p[k], p[i]
      go(k - 1)
      p[i], p[k] = p[k], p[i]
    end
  end
  go(n)
end
local flips, checksum = 0, 0
permutations(7, function(p)
  local q, n = table.move(p, 1, #p, 1, {}), 0
  while q[1] ~= 1 do
    local k = q[1]
    for i = 1, k // 2 do q[i], q[k - i + 1] = q[k - i + 1], q[i] end
    n = n + 1
  end
  if n > flips then flips = n end
  checksum = (checksum * 3 + n) % 1000003
end)
print("fannkuch", flips, checksum)

local Vector = {}
Vector.__index = Vector
Vector.__add = function(a, b) return setmetatable({x = a.x + b.x, y = a.y + b.y}, Vector) end
Vector.__eq = function(a, b) return a.x == b.x and a.y == b.y end
Vector.__tostring = function(v) return "(" .. v.x .. ", " .. v.y .. ")" end
Vector.__call = function(v, k) return v.x * k + v.y end
Vector.__len = function() return 2 end
local sum = setmetatable({x = 0, y = 0}, Vector)
for i = 1, size * 10 do sum = sum + setmetatable({x = i, y = -i}, Vector) end
print("vectors", tostring(sum), sum(3), #sum, sum == setmetatable({x = sum.x, y = sum.y}, Vector))

local function numbers_up_to(n)
  return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end)
end
local total = 0
for i in numbers_up_to(size * 10) do
  if i % 3 == 0 then total = total + i end
end
print("coroutines", total)

local caught = 0
for i = 1, size * 5 do
  local fine, message = pcall(function()
    if i % 2 == 0 then error({code = i}) end
    if i % 5 == 0 then return i + nil end
    return i
  end)
  if not fine then caught = caught + (type(message) == "table" and message.code or #message) end
end
print("errors", caught)
print(select(2, pcall(error, "plain", 0)), select("#", table.unpack({1, nil, 3}, 1, 3)))
print(pcall(string.rep), (select(2, xpcall(function() local x <const> = nil; return x.y end, function(m) return "handled: " .. m:gsub("^.-:%d+: ", "") end))))

local weak = setmetatable({}, {__mode = "v"})
for i = 1, 100 do weak[i] = {} end
collectgarbage()
local left = 0
for _ in pairs(weak) do left = left + 1 end
print("weak", left, collectgarbage("count") > 0)

do
  local closed = {}
  do
    local a <close> = setmetatable({}, {__close = function() closed[#closed + 1] = "a" end})
    local b <close> = setmetatable({}, {__close = function() closed[#closed + 1] = "b" end})
  end
  print("closed", table.concat(closed, " "))
end
local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
print("deep", deep(size * 100), (select(2, pcall(function() local function f() return 1 + f() end return f() end))):match("stack overflow"))
