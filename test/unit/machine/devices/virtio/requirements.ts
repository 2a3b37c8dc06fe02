/**
 * What the specification demands of a device (sections 2 and 4, the statements with MUST), and the test that holds each. Rows of
 * queues and of types stand in the same table.
 */

/** One demand. */
export interface Requirement {
  /** Section of the Virtual I/O Device specification, version 1.3. */
  readonly section: string;
  /** In our own words. */
  readonly demand: string;
  /** File in this folder. */
  readonly file: string;
  /** Name of the test, as `it` has it. */
  readonly test: string;
}

const rowsOf =
  (file: string) =>
  (section: string, demand: string, test: string): Requirement => ({ section, demand, file, test });
const device = rowsOf('device.test.ts');
const pci = rowsOf('pci.test.ts');
const mmio = rowsOf('mmio.test.ts');
const queue = rowsOf('queue.test.ts');
const faults = rowsOf('queue-faults.test.ts');
const rng = rowsOf('rng.test.ts');
const blk = rowsOf('blk/requests.test.ts');
const transmit = rowsOf('net-transmit.test.ts');
const receive = rowsOf('net-receive.test.ts');
const control = rowsOf('net-control.test.ts');
const terminal = rowsOf('console.test.ts');

// prettier-ignore
export const requirements: readonly Requirement[] = [
  device('2.1.2', 'No buffer is used and no used buffer notification sent before DRIVER_OK.', 'are not worked on before DRIVER_OK'),
  device('2.1.2', 'DEVICE_NEEDS_RESET is followed by a configuration change notification when DRIVER_OK is set.', 'shows DEVICE_NEEDS_RESET, tells the driver and does nothing more'),
  device('2.2.2', 'No feature is offered that needs one which is not offered; each depends on an option of its own.', 'are offered as the options say, and with VERSION_1'),
  device('2.2.2', 'FEATURES_OK stays off for a set that the device does not accept: not offered bits.', 'are refused when they were not offered'),
  device('2.2.2', 'FEATURES_OK stays off for a set that the device does not accept: the type.', 'are refused when the type cannot work with them'),
  device('2.2.2', 'No feature is offered that the device does not support or that is not for its transport.', 'are none beyond bit 63, and none of a transport or a legacy device that this is not'),
  device('2.2.2', 'A set that was accepted once is accepted again after a reset.', 'are taken again after a reset'),
  pci('2.2.3', 'A transitional device knows a legacy driver by VERSION_1, which it has not accepted.', 'takes features without FEATURES_OK, and those alone that are offered'),
  device('2.4.1', 'After a reset the status is 0.', 'by status 0 makes everything as it was'),
  device('2.4.1', 'Once the status reads 0 the device touches no queue.', 'is done when nothing that was begun can reach memory any more, and shows 0 then'),
  device('2.4.1', 'Once the status reads 0 no notification is sent.', 'ends notifications and all work on queues'),
  device('2.5.2', 'Every configuration field can be read before FEATURES_OK.', 'is read before any negotiation, whole'),
  pci('3.1.2', 'A legacy driver may write the configuration before it negotiates.', 'has the configuration behind 20 bytes, and behind 24 with MSI-X, by any width'),
  device('2.6.1.1.1', 'After the reset of a queue nothing of it is executed and no notification for it sent.', 'goes on while something is under way, and makes the queue as it was'),
  device('2.6.1.1.1', 'The reset of a queue makes all its state the default.', 'goes on while something is under way, and makes the queue as it was'),
  device('2.6.1.2.1', 'What the driver has changed is seen when the queue is enabled again.', 'lets the driver set it up anew, in another way'),
  pci('3.1.2', 'A transitional device works for a legacy driver before DRIVER_OK.', 'can be used before DRIVER_OK'),
  queue('2.6.1.1', 'A queue that has been reset does nothing more for the driver, and begins at the begin of its rings.', 'forgets what was in flight, and begins at the begin of the rings'),
  queue('2.7.5.3.2', 'The WRITE flag of the descriptor that leads to an indirect table is ignored.', 'takes descriptors that are followed by one indirect table, whose WRITE flag it ignores (2.7.5.3.2)'),
  queue('2.7.7.2', 'Without EVENT_IDX no used buffer notification is sent while NO_INTERRUPT is set, and one is when it is not.', 'of used buffers are left out when the driver says so: NO_INTERRUPT'),
  queue('2.7.7.2', 'With EVENT_IDX the flag is ignored, and a notification is sent when the index passes used_event.', 'with used_event %i a batch of %i from index 0 notifies: %s'),
  queue('2.7.8.2', 'The length of what was written stands in the used element before the index covers it.', 'writes used elements, then the index (2.7.8)'),
  queue('2.7.9.1', 'With IN_ORDER buffers are used in the order of the available ring.', 'shows a batch in order by one element where its first would be (2.7.9)'),
  queue('2.7.10.2', 'Without EVENT_IDX flags is 0 or 1; with it flags is 0, and avail_event tells.', 'avail_event names the next index once there is nothing more, and the flags stay 0'),
  faults('2.7', 'The size of a split queue is a power of 2.', 'no size of %i'),
  queue('2.8.7', 'Of the descriptors of an indirect table only the flag WRITE means anything.', 'takes a table up to its end, and only WRITE of its flags (2.8.7)'),
  queue('2.8.10', 'Packed: the driver is notified as its event suppression structure says.', 'packed: %s'),
  faults('2.8.10.1', 'The event suppression structures are aligned to 4 bytes.', 'the event suppression structures are aligned to 4 bytes'),
  pci('4.1.1', 'The function has the interface of PCI: identity and class.', 'is 0x1040 and its number, of revision 1, when it is not transitional'),
  pci('4.1.2.1', 'Vendor 0x1AF4, device 0x1040 and the virtio device ID.', 'is 0x1040 and its number, of revision 1, when it is not transitional'),
  pci('4.1.2.1', 'A transitional device has the PCI device ID of the table.', 'is a transitional number, of revision 0, with the device number as subsystem'),
  pci('4.1.2.3', 'A transitional device has revision 0 and the virtio device ID as subsystem device ID.', 'is a transitional number, of revision 0, with the device number as subsystem'),
  pci('4.1.3.2', 'The halves of a 64-bit field can be accessed by themselves.', 'reach the halves of a 64-bit field one by one'),
  pci('4.1.4.2', 'cap_len has all bytes of the capability.', 'have capabilities as long as they say'),
  pci('4.1.4.3.1', 'There is a common configuration capability, whose offset is aligned to 4.', 'are each found by a capability, within their BAR and aligned'),
  device('4.1.4.3.1', 'device_feature shows the offered bits of any device_feature_select.', 'are none beyond bit 63, and none of a transport or a legacy device that this is not'),
  device('4.1.4.3.1', 'driver_feature shows the valid bits that the driver wrote, of any driver_feature_select.', 'are read back by the driver as it wrote them, and as 0 beyond the second word'),
  device('4.1.4.3.1', 'config_generation has changed after the driver has read a changed value.', 'has another generation after a read of something that has changed, however often it did'),
  device('4.1.4.3.1', 'Status 0 resets the device, and reads as 0 when that is done.', 'is done when nothing that was begun can reach memory any more, and shows 0 then'),
  device('4.1.4.3.1', 'queue_enable and queue_reset are 0 after a reset.', 'by status 0 makes everything as it was'),
  device('4.1.4.3.1', 'queue_reset is 0 once the queue is enabled.', 'lets the driver set it up anew, in another way'),
  device('4.1.4.3.1', 'queue_reset reads 1 while the reset goes on, then it and queue_enable read 0.', 'goes on while something is under way, and makes the queue as it was'),
  device('4.1.4.3.1', 'queue_size is 0 where there is no queue.', 'that are not there have size 0'),
  device('4.1.4.3.1', 'queue_size is a power of 2 unless RING_PACKED was negotiated.', 'keep to sizes that the format allows, and never above the largest'),
  pci('4.1.4.3.1', 'Without ADMIN_VQ there is no administration queue.', 'have no administration queue and no configuration data of notifications'),
  pci('4.1.4.4.1', 'There is a notification capability, aligned, long enough for every queue, with a multiplier that is a power of 2 and a multiple of 4.', 'notify each queue at an address of its own, within the capability'),
  pci('4.1.4.5.1', 'There is an ISR status capability.', 'are each found by a capability, within their BAR and aligned'),
  pci('4.1.4.5.1', 'The configuration bit of the ISR status is set before the notification, also with MSI-X.', 'set the configuration bit of the ISR status all the same, and the pin shows it once MSI-X is off'),
  pci('4.1.4.5.1', 'Without MSI-X the queue bit is set before the notification; the interrupt status of PCI is the OR of the bits.', 'show the queue bit in the ISR status, which a read clears'),
  pci('4.1.4.5.1', 'A read of the ISR status clears it.', 'show the queue bit in the ISR status, which a read clears'),
  pci('4.1.4.6.1', 'A type with a configuration has a capability for it, aligned to 4.', 'are each found by a capability, within their BAR and aligned'),
  pci('4.1.4.9.1', 'There is a configuration access capability.', 'are each found by a capability, within their BAR and aligned'),
  pci('4.1.4.9.1', 'A write of pci_cfg_data writes the BAR.', 'writes the BAR when the driver writes the data'),
  pci('4.1.4.9.1', 'A read of pci_cfg_data reads the BAR.', 'reads the BAR when the driver reads the data'),
  pci('4.1.4.10', 'A transitional device has the legacy registers in I/O BAR 0.', 'is in I/O BAR 0 of a transitional device alone'),
  pci('4.1.4.10', 'The configuration follows the legacy header at once and reads alike by any width.', 'has the configuration behind 20 bytes, and behind 24 with MSI-X, by any width'),
  pci('4.1.4.10', 'Of a legacy driver no feature of bits 32 to 63 is taken as accepted.', 'takes features without FEATURES_OK, and those alone that are offered'),
  pci('4.1.5.1.1.1', 'A transitional device has the legacy interface in I/O space, in BAR 0.', 'is in I/O BAR 0 of a transitional device alone'),
  pci('4.1.5.1.2.1', 'The MSI-X table has as many entries as there are vectors.', 'have a vector for each queue and one for the configuration'),
  pci('4.1.5.1.2.1', 'Every event can be mapped to every vector, and is read back.', 'go to the vector that the driver mapped, whichever it is'),
  pci('4.1.5.1.2.1', 'Every event can be unmapped.', 'are none for events without a vector'),
  pci('4.1.5.1.2.1', 'After a reset no event is mapped.', 'lose their vectors with a reset'),
  pci('4.1.5.1.2.1', 'A mapping that failed reads back as NO_VECTOR.', 'refuse a vector that there is not by reading back NO_VECTOR'),
  pci('4.1.5.3.1', 'With MSI-X no interrupt is delivered for a queue without a vector.', 'are none for events without a vector'),
  pci('4.1.5.4.1', 'With MSI-X no interrupt is delivered for the configuration without a vector.', 'are none for events without a vector'),
  mmio('4.2.2.1', 'MagicValue is 0x74726976 and Version 2.', 'tell what it is'),
  mmio('4.2.2.1', 'InterruptStatus shows each event until it is acknowledged, and no other bits.', 'show each event until it is acknowledged'),
  mmio('4.2.2.1', 'A reset clears InterruptStatus and QueueReady of all queues.', 'and ready queues end with a reset'),
  mmio('4.2.2.1', 'ConfigGeneration changes when the driver could see an inconsistent configuration.', 'change the generation with the configuration'),
  mmio('4.2.2.1', 'A queue is not accessed while QueueReady is 0.', 'is not ready while something of it is under way after QueueReady 0'),
  mmio('4.2.2.1', 'QueueReset is 0 after a reset.', 'and ready queues end with a reset'),
  mmio('4.2.2.1', 'QueueReset reads 1 while the reset goes on, then it and QueueReady read 0; it is 0 once the queue is ready again.', 'is reset by QueueReset'),
  mmio('4.2.4', 'A legacy device has version 1, and queues placed by pages.', 'places queues by pages of the size that the driver told, also before a reset'),
  blk('5.2.5.2', 'FLUSH is offered, as it has to be beside CONFIG_WCE.', 'are those of its kind, with FLUSH beside CONFIG_WCE'),
  blk('5.2.5.2', 'writeback begins with 0 when CONFIG_WCE was negotiated and FLUSH was not.', 'begins with writeback 0 when CONFIG_WCE was negotiated and FLUSH was not'),
  blk('5.2.5.2', 'Padding of the configuration is 0.', 'has padding of zeros'),
  blk('5.2.6', 'The status is the last byte that the device can write, and the header the first 16 that it reads, whatever the descriptors.', 'is one stream of bytes in either direction, however its descriptors divide it'),
  blk('5.2.6', 'GET_ID gives 20 bytes, padded with NUL where the name is shorter.', 'for its name gets 20 bytes, or as many as there is room for'),
  blk('5.2.6.2', 'A write to a device with RO ends with IOERR, and nothing is written.', 'to write to a disk that is read only is an error, and nothing is written'),
  blk('5.2.6.2', 'DISCARD, SECURE_ERASE and WRITE_ZEROES with a flag that is not known end with UNSUPP; a discard with UNMAP too.', 'is unsupported with a flag that is not known, and a discard with UNMAP too'),
  blk('5.2.6.2', 'A request of a type that is not supported ends with UNSUPP.', 'of a type that there is not is unsupported'),
  blk('5.2.6.2', 'After WRITE_ZEROES the range reads as zeros, whether or not UNMAP was set.', 'zeroes whether or not UNMAP is set'),
  blk('5.2.6.2', 'A write is on the medium before it ends when writeback is 0.', 'has a write on the medium before it ends, once the driver has switched writeback off'),
  blk('5.2.6.2', 'A write is on the medium before it ends when FLUSH was not negotiated.', 'has a write on the medium before it ends where no FLUSH was negotiated'),
  blk('2.7.8.2', 'As written counts no more than what is written without a gap from the begin of the buffer.', 'beyond the capacity is an error that moves nothing'),
  control('5.1.2', 'The control queue follows the pairs that there can be with MQ, and is queue 2 without.', 'are followed by the control queue with MQ, which is queue 2 without'),
  control('5.1.3.1', 'A set in which a feature lacks one that it needs is not accepted.', 'does not accept features %j without %i'),
  control('5.1.4.2', 'The configuration has the address, the status, the number of pairs (1 to 0x8000) and the MTU (at least 68).', 'has the address, the state of the link, the number of pairs and the MTU'),
  control('5.1.4', 'All fields of the configuration are read-only for the driver, whatever was negotiated.', 'has fields that are read-only in the structures of PCI, %s'),
  control('5.1.4.3', 'By the legacy interface the address can be written.', 'has an address that can be written by the legacy interface'),
  transmit('5.1.6.1', 'The header has num_buffers with VERSION_1 or MRG_RXBUF alone.', 'has a header of %s'),
  transmit('5.1.6.2.2', 'Without NEEDS_CSUM csum_start and csum_offset mean nothing.', 'is not touched without the flag'),
  transmit('5.1.6.2.2', 'With NEEDS_CSUM the checksum is written from csum_start on at csum_offset.', 'is completed in a TCP packet of IPv%i'),
  transmit('5.1.6.2.2', 'With a gso_type the packet is sent in segments of gso_size.', '%s is cut into segments, each with its own headers and sums'),
  transmit('5.1.6.2.2', 'A packet whose header the device does not understand is not sent as it is.', '%s is lost with a row, and the next one is sent'),
  receive('5.1.6.4.1', 'Without MRG_RXBUF num_buffers is 1, and a packet takes one buffer.', 'lies behind its header: %s'),
  receive('5.1.6.4.1', 'With MRG_RXBUF num_buffers is the number of buffers, each but the last one filled.', 'takes as many buffers as it needs when they are merged (packed: %s)'),
  receive('5.1.6.4.1', 'The buffers of a packet are used all at once.', 'has its buffers shown all at once'),
  receive('5.1.6.4.1', 'Without GUEST_TSO gso_type is NONE; flags and header length are 0 where nothing is left to the driver.', 'lies behind its header: %s'),
  control('5.1.6.5', 'Each command is answered by OK or ERROR in its ack field.', '%s is done'),
  control('5.1.6.5', 'A command of a feature that was not negotiated is an ERROR.', '%s is refused when its feature was not negotiated'),
  receive('5.1.6.5.1.1', 'After a reset the device is promiscuous.', 'lets everything through for a driver that never speaks of it'),
  receive('5.1.6.5.1.1', 'Each mode of reception holds until it is switched again.', 'has modes for all multicast, all unicast, and none of a kind'),
  receive('5.1.6.5.2.1', 'After a reset both tables are empty; they are set together, and what they name is received.', 'has two tables of addresses, which are set together'),
  receive('5.1.6.5.3', 'With CTRL_VLAN a packet of a VLAN that is not in the table is not received.', 'has a set of VLANs, when the driver speaks of them'),
  control('5.1.6.5.6.2', 'Until the driver asks for more there is one pair.', 'are one until the driver asks for more'),
  control('5.1.6.5.6.2', 'Nothing is put into the pairs beyond once VQ_PAIRS_SET has been answered.', 'have none used there once the answer is seen, wherever the device is with a packet'),
  control('5.1.6.5.6.2', 'A number of pairs below 1 or above the largest is refused.', 'is refused: %s'),
  terminal('5.3.4', 'Size and number of ports are in the configuration.', 'has its size and the number of its ports in the configuration'),
  terminal('5.3.5', 'An emergency write goes out at any time, whatever was negotiated.', 'goes out at once, before the device is set up and after'),
  terminal('5.3.6.2', 'DEVICE_READY is answered by DEVICE_ADD for each port; PORT_READY by what the port is.', 'introduce the ports, each with what it is (packed: %s)'),
  terminal('5.3.6.1', 'What a closed port is given is not passed on.', 'lose what is sent to them while they are closed'),
  rng('5.4.6.2', 'One or more random bytes are placed into each buffer, perhaps fewer than it has room for.', 'fills a buffer with numbers from its seed, and looks for the next'),
  device('6.2', 'VERSION_1 is offered.', 'are offered as the options say, and with VERSION_1'),
];
