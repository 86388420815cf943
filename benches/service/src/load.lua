-- What wrk asks, and what it says in the end: one line of JSON.

local requests = {}
local last = 0

-- `paths` is a file with a path in each line.
function init(arguments)
    for path in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
end

-- Made before, so that the client costs the same whatever is asked.
function request()
    last = last % #requests + 1
    return requests[last]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"duration_us":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,'
            .. '"p50_us":%d,"p99_us":%d,"p999_us":%d}\n',
        summary.requests, summary.duration,
        errors.status, errors.connect, errors.read, errors.write, errors.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)
    ))
end
