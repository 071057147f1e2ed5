/**
 * HTTP that carries patients: FHIR (HL7 FHIR R4 section 3.1, media types of section 3.1.6) and DICOMweb (DICOM PS3.18: WADO-RS
 * and QIDO-RS and STOW-RS of chapter 10, WADO-URI of chapter 9), told by the head of a message.
 *
 * What surprises: the answer is the name of the interface and nothing else. Paths and queries name people here, so that
 * none of them is kept, not even in part. What only describes a server (`/metadata`, OPTIONS) carries nobody.
 */

export type PatientWeb = 'fhir' | 'dicomweb';

// ---- specification ----

/** PS3.18 section 8.7.3: alone, or as parts of multipart/related. */
const dicomMedia = /\bapplication\/dicom\b/i;
/** `json+fhir` is what the second draft standard wrote. */
const fhirMedia = /\bapplication\/(?:fhir\+(?:json|xml|ndjson)|(?:json|xml)\+fhir)\b/i;
/** A study by its UID, or searched for by what is a patient's or its own (PS3.18 sections 10.4 and 10.6). */
const dicomPath =
  /\/studies\/[0-9]+(?:\.[0-9]+){3,}|[?&](?:Patient(?:Name|ID|BirthDate)|0010[0-9a-f]{4}|requestType=WADO)\b|\/(?:studies|series|instances)\?(?:[^ ]*&)?(?:Study(?:InstanceUID|Date|ID)|AccessionNumber|ModalitiesInStudy|0020000D|00080050)=/i;
/** Resource types of the patient compartment, and what bundles them (FHIR R4, CompartmentDefinition/patient). */
const resources = [
  'Account AdverseEvent AllergyIntolerance Appointment AuditEvent Basic BodyStructure Bundle CarePlan CareTeam ChargeItem',
  'Claim ClinicalImpression Communication Composition Condition Consent Coverage DetectedIssue DeviceRequest DeviceMetric',
  'DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference Encounter EpisodeOfCare FamilyMemberHistory Flag',
  'Goal Group ImagingStudy Immunization Invoice List MeasureReport Media MedicationAdministration MedicationDispense',
  'MedicationRequest MedicationStatement MessageHeader Observation Patient Person Procedure Provenance',
  'QuestionnaireResponse RelatedPerson RequestGroup RiskAssessment Schedule ServiceRequest Specimen Task VisionPrescription',
]
  .join(' ')
  .replaceAll(' ', '|');
const fhirPath = new RegExp(`/(?:${resources})(?:[/? ]|$)|[?&](?:patient|subject)=`);
const fhirBody = new RegExp(
  `"resourceType"\\s*:\\s*"(?:${resources})"|<(?:${resources})\\s[^>]{0,64}http://hl7\\.org/fhir`,
);

/** Of a request: its start line and headers as Latin-1, without the empty line. */
export function patientRequest(head: string): PatientWeb | undefined {
  const end = head.indexOf('\r\n');
  const [method = '', target = ''] = (end < 0 ? head : head.slice(0, end)).split(' ', 2);
  if (method === 'OPTIONS' || method === 'CONNECT') return undefined;
  if (dicomPath.test(target)) return 'dicomweb';
  const [content, accept] = [field(head, 'content-type'), field(head, 'accept')];
  if (dicomMedia.test(content) || dicomMedia.test(accept)) return 'dicomweb';
  if (fhirMedia.test(content) && /^P(?:OST|UT|ATCH)$/.test(method)) return 'fhir';
  const speaks = fhirMedia.test(accept) || fhirMedia.test(content) || /\/fhir\b/i.test(target);
  return speaks && fhirPath.test(target) ? 'fhir' : undefined;
}

/** Of an answer: its content type, and the body as far as it is there. */
export function patientAnswer(contentType: string, body: string): PatientWeb | undefined {
  if (dicomMedia.test(contentType)) return 'dicomweb';
  return fhirMedia.test(contentType) && fhirBody.test(body) ? 'fhir' : undefined;
}

function field(head: string, name: string): string {
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon === name.length && line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1);
  }
  return '';
}
