// Send a document with celery-node. Usage: node celery_node.js BROKER_URL
const celery = require("celery-node");

const broker = process.argv[2];
const client = celery.createClient(broker, broker);
client.conf.CELERY_QUEUE = "lamina.submit";
client.sendTask("lamina.submit.v1", [], {
  collection: "default",
  key: "node-example",
  documents: [
    { id: "from-node", text: "Mushrooms may be picked in the forest for one's own kitchen." },
  ],
});
client.isReady().then(() => client.disconnect()).then(() => console.log("sent"));
