// Send a document with celery-node and wait for its receipt. Usage: node reply.js BROKER_URL
const celery = require("celery-node");
const Redis = require("ioredis");
const { randomUUID } = require("crypto");

const broker = process.argv[2];
const name = `example-${randomUUID()}`; // nobody can guess it, so nobody else reads it
const client = celery.createClient(broker, broker);
client.conf.CELERY_QUEUE = "lamina.submit";
client.sendTask("lamina.submit.v1", [], {
  collection: "default",
  key: "node-reply-example",
  reply_to: name,
  documents: [{ id: "from-node-reply", text: "Basalt columns form where lava cools slowly." }],
});

async function wait() {
  const replies = new Redis(broker);
  const answer = await replies.brpop(`lamina.reply.${name}`, 30);
  await Promise.all([replies.quit(), client.disconnect()]);
  if (!answer) throw new Error("no reply yet; send it again, with the same key");
  const receipt = JSON.parse(answer[1]);
  console.log(receipt.status, receipt.job_id || receipt.detail);
}
client.isReady().then(wait).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
