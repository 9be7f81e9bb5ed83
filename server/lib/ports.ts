/**
 * Ports of services that a stranger must not make the server knock at (control D3): a peer list or a tracker's address can
 * name any host. Those below 1024, and those above that databases, queues, desktops and control planes are known by.
 */
const services = new Set([
  1080, 1433, 1434, 1521, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3268, 3306, 3389, 4369, 5000, 5060, 5061, 5222, 5353, 5355,
  5432, 5601, 5672, 5683, 5900, 5901, 5984, 5985, 5986, 6000, 6379, 6443, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697,
  7001, 8086, 8333, 8500, 9000, 9042, 9090, 9092, 9100, 9200, 9300, 9418, 10250, 11211, 15672, 16379, 25565, 27017, 27018, 27019, 28017,
])
/** Where trackers are at home beside the ports of their own; no peer is. */
const web = new Set([80, 443, 8000, 8080, 8443, 8888])

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536

export const isPeerPort = (port: number): boolean => isPort(port) && port >= 1024 && !services.has(port) && !web.has(port)

export const isTrackerPort = (port: number): boolean => isPeerPort(port) || web.has(port)
