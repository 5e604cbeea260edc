// Prints a line for each object of the JSON file whose values break its schema.
// The folder it runs in has the packages.
//   node --input-type=module - objects.json < check_values.mjs
import {readFileSync} from "node:fs";

for (const object of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const {apiVersion, kind, metadata} = object;
  const models = apiVersion.startsWith("monitoring.coreos.com/")
    ? "@kubernetes-models/prometheus-operator"
    : "kubernetes-models";
  const model = (await import(`${models}/${apiVersion}`))[kind];
  try {
    new model(object).validate();
  } catch (error) {
    console.log(`${kind}/${metadata.name}: ${error.message}`);
  }
}
