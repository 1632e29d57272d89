// The cron path for plain workerd: GET /cdn-cgi/handler/scheduled?cron=…&time=… runs the Worker's scheduled handler.
// `cron` is the schedule that "fired", `time` the moment in milliseconds (default: now), as in wrangler dev.
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== '/cdn-cgi/handler/scheduled') return new Response('not found\n', { status: 404 });
    const time = Number(searchParams.get('time') ?? Date.now());
    if (!Number.isFinite(time)) return new Response('time: milliseconds since 1970\n', { status: 400 });
    const cron = searchParams.get('cron') ?? '';
    const { outcome } = await env.MAIN.scheduled({ cron, scheduledTime: new Date(time) });
    return new Response(`${outcome}\n`, { status: outcome === 'ok' ? 200 : 500 });
  },
};
